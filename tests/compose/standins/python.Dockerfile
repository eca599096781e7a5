# Stands in for python: python and pip by those names, trusting what this machine trusts.
FROM pitboss-standin/debian
RUN ln -s python3 /usr/bin/python
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
