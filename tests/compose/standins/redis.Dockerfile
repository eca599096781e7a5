# Stands in for redis: redis-server and redis-cli, a user redis, data in /data.
FROM pitboss-standin/debian
RUN mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
